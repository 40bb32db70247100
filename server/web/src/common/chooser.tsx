// A dialog to choose one of many by writing a part of it.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import "./chooser.css";

const MOST_SHOWN = 200;

export interface Choice {
  value: string;
  text: string;
  note?: string | undefined;
}

interface Props {
  title: string;
  choices: Choice[];
  choose: (value: string) => void;
  close: () => void;
  // Told what is written; who takes it finds the choices.
  onWords?: (text: string) => void;
  nothing?: string;
}

export function Chooser({ title, choices, choose, close, onWords, nothing = "Nothing has this in its name." }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = onWords ? choices : choices.filter((choice) => words.every((word) => `${choice.text} ${choice.value}`.toLowerCase().includes(word)));
  const shown = matching.slice(0, MOST_SHOWN);
  const chosen = Math.min(at, shown.length - 1);
  useEffect(() => list.current?.children[chosen]?.scrollIntoView({ block: "nearest" }), [chosen]);
  const take = (choice: Choice | undefined): void => {
    if (!choice) return;
    dialog.current?.close();
    choose(choice.value);
  };
  const onKey = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (event.key === "Enter") take(shown[chosen]);
    else if (by !== undefined) setAt(Math.max(0, Math.min(shown.length - 1, chosen + by)));
    else return;
    event.preventDefault();
  };
  return (
    <dialog ref={dialog} class="chooser" aria-label={title} onClose={close} onClick={(event) => event.target === dialog.current && event.currentTarget.close()}>
      <label class="hidden" for={`${id}-box`}>{title}</label>
      <input id={`${id}-box`} type="text" role="combobox" aria-expanded="true" aria-controls={`${id}-list`} aria-autocomplete="list" autocomplete="off" spellcheck={false}
        aria-activedescendant={shown.length > 0 ? `${id}-${chosen}` : undefined} placeholder={title} value={text} onKeyDown={onKey}
        onInput={(event) => (setText(event.currentTarget.value), setAt(0), onWords?.(event.currentTarget.value))} />
      <ul ref={list} id={`${id}-list`} role="listbox" aria-label={title}>
        {shown.map((choice, one) => (
          <li key={choice.value} id={`${id}-${one}`} role="option" aria-selected={one === chosen} onClick={() => take(choice)}>
            <span>{choice.text}</span> {choice.note && <span class="pale">{choice.note}</span>}
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p class="nothing">{nothing}</p>}
      {matching.length > MOST_SHOWN && <p class="pale">{matching.length - MOST_SHOWN} more: write a part of the name.</p>}
    </dialog>
  );
}

interface ChoiceProps {
  label: string;
  // What is chosen now; "" for nothing.
  text: string;
  choices: Choice[];
  choose: (value: string) => void;
  // What the dialog asks, if not to choose the label.
  title?: string;
}

// A button that says what is chosen and opens the dialog.
export function ChoiceButton({ label, text, choices, choose, title = `Choose ${label}` }: ChoiceProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="choice" aria-haspopup="dialog" title={text || title} onClick={() => setOpen(true)}>
        {text ? <><span class="pale">{label} </span><span class="value">{text}</span></> : label}
      </button>
      {isOpen && <Chooser title={title} choices={choices} choose={choose} close={() => setOpen(false)} />}
    </>
  );
}
