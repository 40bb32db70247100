// A line for a terminal or a program, with a button that copies it where the browser allows that.

import { useState } from "preact/hooks";
import "./copied.css";

export function Copied({ text, label }: { text: string; label: string }) {
  const [isDone, setDone] = useState(false);
  const copy = (): void => {
    navigator.clipboard.writeText(text).then(() => setDone(true), () => setDone(false));
  };
  return (
    <div class="copied">
      <pre tabIndex={0} aria-label={label}>{text}</pre>
      {/* Browsers have no clipboard over plain HTTP from elsewhere. */}
      {isSecureContext && <button type="button" onClick={copy} aria-label={`Copy: ${label}`}>{isDone ? "Copied" : "Copy"}</button>}
    </div>
  );
}
