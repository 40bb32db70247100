// What a JSON object holds, as a table of paths and values.

export function Pairs({ pairs, none }: { pairs: [string, string][]; none: string }) {
  if (pairs.length === 0) return <p class="nothing">{none}</p>;
  return (
    <table>
      <tbody>
        {pairs.map(([path, value]) => <tr key={path}><th scope="row">{path}</th><td>{value}</td></tr>)}
      </tbody>
    </table>
  );
}
