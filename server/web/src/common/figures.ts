// Numbers, sizes and times as people read them.

// A number with four significant digits; whole numbers that a double holds exactly as they are.
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isSafeInteger(value) && Math.abs(value) < 1e12) return String(value);
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

export function count(value: number | string | undefined): string {
  return Number(value ?? 0).toLocaleString("en-US");
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

// A size in bytes, in units of a thousand.
export function bytes(value: number | string | undefined): string {
  let size = Number(value ?? 0);
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : Number(size.toPrecision(3))} ${UNITS[unit]}`;
}

// A length of time, of seconds.
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return seconds < 10 && seconds > 0 ? `${Number(seconds.toPrecision(2))} s` : `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

// How long ago, in one unit: 5 s, 3 min, 2 h, 4 d.
export function age(us: number): string {
  const seconds = Math.max(0, us / 1e6);
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400 * 2) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

const two = (value: number): string => String(value).padStart(2, "0");

// A time of microseconds since the epoch, in the reader's zone.
export function time(us: number | string | undefined): string {
  if (us === undefined) return "";
  const at = new Date(Number(us) / 1000);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

// The mark of a time axis, of seconds since the epoch, whose marks are so many seconds apart.
export function timeMark(seconds: number, apart: number): string {
  const whole = time(seconds * 1e6);
  if (apart >= 86400) return whole.slice(5, 10);
  return whole.slice(11) + (apart < 60 ? `:${two(new Date(seconds * 1000).getSeconds())}` : "");
}
