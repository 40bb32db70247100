// Light or dark: as the system says, or as somebody switched.

import { useEffect, useState } from "preact/hooks";
import { keep, kept } from "./kept";

const KEY = "theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

export function useTheme(): { isDark: boolean; turn: () => void } {
  const [chosen, setChosen] = useState(kept(KEY));
  const [isSystemDark, setSystemDark] = useState(dark.matches);
  useEffect(() => {
    const listener = (): void => setSystemDark(dark.matches);
    dark.addEventListener("change", listener);
    return () => dark.removeEventListener("change", listener);
  }, []);
  const isDark = chosen ? chosen === "dark" : isSystemDark;
  document.documentElement.dataset["theme"] = isDark ? "dark" : "light";
  const turn = (): void => {
    const next = isDark ? "light" : "dark";
    keep(KEY, next);
    setChosen(next);
  };
  return { isDark, turn };
}
