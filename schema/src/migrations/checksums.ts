/** sha256 of each released migration, in hex. A change here means that a database in the field differs. */
export const checksums: Readonly<Record<string, string>> = {
  "0001_initial": "4a89b230ef4c08b6778beb1efced80bfc83026c62e85cded0345b3892c4cb966",
  "0002_views": "aa5f4d45d045a7f3e5af7e7ec3af1e189430f7b870a47bb3de294bd22a9ce24a",
};
