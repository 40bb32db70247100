// Says in `window.drawnAt`, in milliseconds since navigation, when lines of data were first seen in the window: a long open
// path of an SVG, or a canvas with coloured pixels in many columns (grids, axes and texts are grey on all these pages).
(() => {
  const [least, columns, look] = [60, 60, 100];
  const isSeen = (element) => {
    const box = element.getBoundingClientRect();
    const wide = Math.min(box.right, innerWidth) - Math.max(box.left, 0);
    const high = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
    return wide >= least && high >= 20 && element.checkVisibility();
  };
  const isLine = (path) => (path.getAttribute("d") ?? "").length > 400 && isSeen(path) && getComputedStyle(path).fill === "none";
  const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const hasLines = (canvas) => {
    if (canvas.width < least || canvas.height < 20 || !isSeen(canvas)) return false;
    copy.canvas.width = canvas.width;
    copy.canvas.height = canvas.height;
    copy.drawImage(canvas, 0, 0);
    const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    const found = new Set();
    for (let at = 0; at < pixels.length; at += 4) {
      const [red, green, blue] = [pixels[at], pixels[at + 1], pixels[at + 2]];
      if (pixels[at + 3] > 60 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40) found.add((at / 4) % canvas.width);
    }
    return found.size >= columns;
  };
  const timer = setInterval(() => {
    const isDrawn = [...document.querySelectorAll("svg path")].some(isLine) || [...document.querySelectorAll("canvas")].some(hasLines);
    if (isDrawn) {
      requestAnimationFrame(() => (window.drawnAt ??= performance.now()));
      clearInterval(timer);
    }
  }, look);
})();
