/** sha256 of each released migration, in hex. A change here means that a database in the field differs. */
export const checksums: Readonly<Record<string, string>> = {
  "0001_initial": "3968fbc539d018e2b476907497cb78459dafe568066ddc7ea55ed188f2b8c45d",
  "0002_views": "aa5f4d45d045a7f3e5af7e7ec3af1e189430f7b870a47bb3de294bd22a9ce24a",
};
