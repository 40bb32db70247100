// What can be done with the cell of the list that is under the cursor.

import { isJust } from "./cells";
import { label, shown } from "./fields";
import type { Value } from "../common/messages";

interface Props {
  field: string | undefined;
  value: Value | undefined;
  filterBy: () => void;
  sortBy: () => void;
  groupBy: () => void;
}

// Steps of metrics are shown and do nothing else.
export const isOnlyShown = (field: string): boolean => /\.(last|min|max)_step$/.test(field);

export function CellBar({ field, value, filterBy, sortBy, groupBy }: Props) {
  if (field === undefined) return <div class="cellbar hint pale"><span>Choose a cell with a click or the arrow keys: <kbd>f</kbd> filters by it, <kbd>s</kbd> sorts, <kbd>g</kbd> groups.</span></div>;
  if (isOnlyShown(field)) return <div class="cellbar pale"><code>{field}</code> A step neither filters nor orders.</div>;
  return (
    <div class="cellbar" role="group" aria-label="The chosen cell">
      <code title={isJust(field, value)}>{label(field)} = {shown(value, field) || "none"}</code>
      <span class="push" />
      <button type="button" title="f" onClick={filterBy}>Only these</button>
      <button type="button" title="s" onClick={sortBy}>Sort</button>
      {field !== "tags" && <button type="button" title="g" onClick={groupBy}>Group</button>}
    </div>
  );
}
