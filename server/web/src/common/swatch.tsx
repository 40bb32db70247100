// The line of a model as charts draw it, small: the legend. Empty for one that is not drawn.

import type { Look } from "./colours";

export function Swatch({ look }: { look: Look | undefined }) {
  return <span class="swatch" style={look ? { borderTopColor: look.colour, borderTopStyle: look.border } : {}} />;
}
