import { shoppingList } from "./shopping-list.ts";

await shoppingList((line) => console.log(line));
