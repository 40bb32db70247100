// Readable names, made of a model's id and stored nowhere. The Python client makes the same.

const ADJECTIVES = (
  "amber ample apt azure bold brave breezy bright brisk calm candid clear clever cosmic cozy crisp " +
  "daring deft eager early fair fancy festive fine fresh gentle glad golden grand happy hardy honest " +
  "jolly keen kind lively loyal lucid lucky mellow merry mild modest neat nimble noble patient placid " +
  "polite prime proud quick quiet serene silver smart snug solid steady sunny swift tidy warm wise"
).split(" ");

const NOUNS = (
  "acorn alder anchor apple aspen badger beacon beech birch bison breeze bridge brook canyon cedar " +
  "cherry clover comet coral crane creek daisy delta dolphin eagle ember falcon fern finch forest fox " +
  "garden glacier harbor hare hazel heron island kite lake lantern lark lemon lily lynx maple meadow " +
  "moon moss olive orchid otter owl pebble pine planet puffin raven reef river robin sparrow tulip " +
  "willow"
).split(" ");

// What a model is shown as: its name, else one like brisk-fox-17.
export function displayName(id: string, name?: string): string {
  if (name) return name;
  const digits = id.replaceAll("-", "");
  const start = digits[12] === "7" ? 20 : 0; // those of version 7 begin with the time, and end at random
  const pair = (at: number): number => parseInt(digits.slice(start + at * 4, start + at * 4 + 4), 16);
  const adjective = ADJECTIVES[pair(0) % ADJECTIVES.length];
  const noun = NOUNS[pair(1) % NOUNS.length];
  return `${adjective}-${noun}-${pair(2) % 100}`;
}
