// What the keys do.

import { useEffect, useRef } from "preact/hooks";

const KEYS: [string, string][] = [
  ["Ctrl K", "go to a project, a model or an artifact"],
  ["/", "write a filter"],
  ["j, k", "next and previous model or group"],
  ["← →", "choose a cell of the model"],
  ["←, →", "on the media of a model: the step before and after"],
  ["f", "only models with the value of this cell"],
  ["s", "order by this column"],
  ["g", "group by this column, or end the groups"],
  ["space", "put the model into the charts, or out of them"],
  ["x", "hide its line, or show it again"],
  ["enter", "open the model"],
  ["[, ]", "on a model: the one before and after it in the list"],
  ["p", "in a chart: keep the values at this point as a table"],
  ["c", "choose columns"],
  ["v", "views"],
  ["y", "copy the link to what is shown"],
  ["Home, End", "first and last model"],
  ["Esc", "on a model: back to the list"],
  ["?", "this list"],
];

export function Help({ close }: { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label="Keys" onClose={close}>
      <h2>Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
      </dl>
      <p>In a chart: drag over a stretch of x to see it closer in all charts, click twice for the whole.</p>
      <form method="dialog"><button type="submit">Close</button></form>
    </dialog>
  );
}
