// A canvas as large as its place, as sharp as the screen.

import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentProps } from "preact";

export interface Ink {
  width: number;
  height: number;
  // Colours of the theme, which a canvas cannot name.
  text: string;
  line: string;
  back: string;
}

interface Props extends Omit<ComponentProps<"canvas">, "height" | "width"> {
  height: number;
  paint: (context: CanvasRenderingContext2D, ink: Ink) => void;
  // What is painted: again when it changes.
  keys: unknown[];
  onWidth?: (width: number) => void;
}

export function Canvas({ height, paint, keys, onWidth, ...more }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const measure = (): void => (setWidth(element.clientWidth), onWidth?.(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context || width === 0) return;
    const ratio = devicePixelRatio || 1;
    canvas.current.width = Math.round(width * ratio);
    canvas.current.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = "11px system-ui, sans-serif";
    const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    paint(context, { width, height, text: colour("--pale"), line: colour("--line"), back: colour("--back") });
  }, [width, height, ...keys]);
  return <canvas ref={canvas} {...more} style={{ height: `${height}px` }} />;
}

// A text with an end that says that there was more.
export function clipped(context: CanvasRenderingContext2D, text: string, most: number): string {
  if (context.measureText(text).width <= most) return text;
  let length = text.length - 1;
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > most) length -= 1;
  return `${text.slice(0, length)}…`;
}
