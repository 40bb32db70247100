// Copies a text; where the browser does not let the page, it shows it to be copied by hand. Whether it was copied.
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text); // not there without TLS, unless on this machine
    return true;
  } catch {
    prompt("Copy this link:", text);
    return false;
  }
}
