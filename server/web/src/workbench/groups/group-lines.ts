// Groups of models as lines of charts: the mean of the lines of each, and from the smallest to the largest of them.

import type { Line } from "../packed";
import type { Lines } from "../series";

// Values without gaps inside: straight over those between two points, nothing before the first and after the last.
function filled(values: Float32Array): Float32Array {
  const whole = values.slice();
  let last = -1;
  for (let at = 0; at < whole.length; at += 1) {
    const value = whole[at] ?? NaN;
    if (!Number.isFinite(value)) continue;
    const before = whole[last] ?? NaN;
    for (let gap = last + 1; last >= 0 && gap < at; gap += 1) whole[gap] = before + ((value - before) * (gap - last)) / (at - last);
    last = at;
  }
  return whole;
}

function meanOf(group: string, first: Line, lines: Line[], length: number): Line {
  const [means, mins, maxs] = [new Float32Array(length), new Float32Array(length), new Float32Array(length)];
  const every = lines.map((line) => filled(line.means));
  for (let at = 0; at < length; at += 1) {
    let [sum, count, min, max] = [0, 0, Infinity, -Infinity];
    for (const values of every) {
      const value = values[at] ?? NaN;
      if (!Number.isFinite(value)) continue;
      sum += value;
      count += 1;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
    means[at] = count ? sum / count : NaN;
    mins[at] = count ? min : NaN;
    maxs[at] = count ? max : NaN;
  }
  return { ...first, modelId: group, means, mins, maxs };
}

// Lines of models become those of their groups, which `members` has with the ids of their models.
export const grouped = (members: ReadonlyMap<string, string[]>) => (found: Lines): Lines => {
  const byModel = new Map(found.lines.map((line) => [line.modelId, line]));
  const lines = [...members].flatMap(([group, ids]) => {
    const own = ids.flatMap((id) => byModel.get(id) ?? []);
    const [first] = own;
    return first ? [meanOf(group, first, own, found.x.length)] : [];
  });
  return { ...found, lines };
};
