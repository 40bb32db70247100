// Rows of a CSV text (RFC 4180): quotes, doubled quotes, line ends inside them.

// At most `most` rows. What is cut ends in the middle of a row, which is left out.
export function rowsOf(text: string, separator: string, isCut: boolean, most: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let isQuoted = false;
  for (let at = 0; at < text.length && rows.length < most; at += 1) {
    const sign = text[at];
    if (isQuoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else isQuoted = false;
    } else if (sign === '"' && cell === "") isQuoted = true;
    else if (sign === separator) {
      row.push(cell);
      cell = "";
    } else if (sign === "\n" || sign === "\r") {
      if (sign === "\r" && text[at + 1] === "\n") at += 1;
      rows.push([...row, cell]);
      [row, cell] = [[], ""];
    } else cell += sign;
  }
  if (!isCut && rows.length < most && (cell !== "" || row.length > 0)) rows.push([...row, cell]);
  return rows;
}
