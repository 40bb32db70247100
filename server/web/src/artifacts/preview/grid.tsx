// Rows of a file as a table.

export function Grid({ label, columns, rows }: { label: string; columns: [name: string, type?: string][]; rows: string[][] }) {
  return (
    <div class="wide grid" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>{columns.map(([name, type], at) => <th key={at} scope="col">{name || <span class="hidden">without a name</span>}{type && <div class="pale">{type}</div>}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((row, at) => <tr key={at}>{columns.map((_, place) => <td key={place}>{row[place] ?? ""}</td>)}</tr>)}
        </tbody>
      </table>
    </div>
  );
}
