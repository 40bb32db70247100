// What the keys do.

import { useEffect, useRef } from "preact/hooks";

const KEYS: [string, string][] = [
  ["/", "write a filter"],
  ["j, k", "next and previous model"],
  ["space", "put the model into the charts, or out of them"],
  ["enter", "open the model"],
  ["c", "choose columns"],
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
