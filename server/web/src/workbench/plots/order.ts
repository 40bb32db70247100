// A list with one of its entries a place further on.
export function moved<T>(list: T[], at: number, by: number): T[] {
  const next = list.filter((_, one) => one !== at);
  next.splice(at + by, 0, ...list.slice(at, at + 1));
  return next;
}
