// The form that takes an API key once.

import { useState } from "preact/hooks";
import { sentence, signIn } from "./common/wire";

export function Login({ onDone }: { onDone: () => void }) {
  const [key, setKey] = useState("");
  const [told, setTold] = useState("");
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      if (await signIn(key.trim())) onDone();
      else setTold("The server does not know this key. Copy it again, or ask who runs the server for one.");
    } catch (error) {
      setTold(sentence(error));
    }
    setBusy(false);
  };
  return (
    <main class="login">
      <form onSubmit={(event) => void submit(event)}>
        <h1>xpstore</h1>
        <label for="key">API key</label>
        <input id="key" type="password" autocomplete="current-password" required value={key} aria-describedby="login-told"
          onInput={(event) => setKey(event.currentTarget.value)} />
        <button type="submit" disabled={isBusy}>Sign in</button>
        <p id="login-told" class={told ? "error" : "pale"} role={told ? "alert" : undefined}>
          {told || "It is kept nowhere in this browser: the server gives a session for it."}
        </p>
      </form>
    </main>
  );
}
