// What every plot is told of the workbench.

import type { Looks } from "../../common/colours";
import type { Field } from "../../common/messages";
import type { Source } from "./points";

export interface Bench {
  source: Source;
  fields: Field[] | undefined;
  // How the selected models are drawn.
  drawn: Looks;
  toggle: (id: string) => void;
  isLive: boolean;
  isDark: boolean;
}
