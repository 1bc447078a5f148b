/**
 * Operations of peers that once did harm to a program that reads them, as they came in (`$ops` of one row). They are replayed by every
 * test run; what the fuzzer finds is added.
 */
export const documentCrashes: readonly string[] = [
  // A list nested deeper than a recursive reader can follow.
  `{"$at":1,"tasks":[{"path":[],"put":"${"[".repeat(1_500)}${"]".repeat(1_500)}"}]}`,
  // Keys that mean something in JavaScript.
  `{"$at":1,"tasks":[{"path":["__proto__","polluted"],"put":"1"},{"path":[],"put":"{\\"__proto__\\": {\\"polluted\\": 1}}"}]}`,
  `{"$at":1,"tasks":[{"path":[""],"put":"{\\"\\": 1}"}]}`,
  // Numbers that JavaScript would change.
  `{"$at":1,"tasks":[{"path":[],"put":"[1e400, 12345678901234567890, 1.50, -0]"}]}`,
  // A text that begins as a tagged number does.
  `{"$at":1,"tasks":[{"path":[],"put":"[\\"\\\\u00011\\", \\"\\\\u0001\\\\u0001\\", \\"\\\\u0001[\\"]"}]}`,
  // A place far behind the end, and surroundings that are not there.
  `{"$at":9,"tasks":[{"path":["a","b"],"put":"0123412345678901234567890"}]}`,
  `{"$at":9,"tasks":[{"path":["a"],"put":"[-01.5, 007]"}]}`,
  `{"$at":1,"notes":{"at":2147483647,"before":"nowhere","cut":"nothing","put":"x","after":"never"}}`,
];
