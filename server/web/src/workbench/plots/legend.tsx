// What colours stand for.

import { label } from "../fields";
import { viridis, type Painter } from "./painter";
import { told } from "./scale";

export function Legend({ painter, isDark, none }: { painter: Painter; isDark: boolean; none?: string | undefined }) {
  const { scale } = painter;
  const { field } = scale;
  const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => viridis(share, isDark)).join(", ");
  return (
    <p class="legend" aria-label={`Colours of ${label(field)}`} role="group">
      <b>{label(field)}{scale.isLog && " (log)"}</b>
      {scale.isNumeric && !Number.isNaN(scale.min) && (
        <>
          <span>{told(field, scale.min)}</span>
          <span class="ramp" style={{ backgroundImage: `linear-gradient(to right, ${stops})` }} />
          <span>{told(field, scale.max)}</span>
        </>
      )}
      {!scale.isNumeric && scale.categories.slice(0, 12).map((cell) => (
        <span key={String(cell)}><span class="spot" style={{ background: painter.colour(cell) }} />{told(field, cell)}</span>
      ))}
      {(none || painter.hasRest) && (
        <span class="pale"><span class="spot" style={{ background: painter.colour(null) }} />{[painter.hasRest && `${scale.categories.length - 12} other values`, none].filter(Boolean).join(", ")}</span>
      )}
    </p>
  );
}
