// The pages on the policy as data: the recipes with their files, their commands and the tables under them.
// Tests run what the pages say.
// Never a wording: only what stands in code blocks and tables.
import { readFileSync } from 'node:fs';

export type Row = Readonly<Record<string, string>>;

export interface Recipe {
  readonly title: string;
  /** The whole policy. */
  readonly yaml: string;
  /** What an operator types, a command a line. */
  readonly commands: readonly string[];
  /** Of all tables under the file; a row's cells by the titles of their columns. */
  readonly rows: readonly Row[];
}

const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

export const policyPage: string = read('POLICY.md');
export const detailsPage: string = read('POLICY-DETAILS.md');

const [language = '', recipePart = ''] = policyPage.split(/^## Recipes$/m);

export const recipes: readonly Recipe[] = recipePart
  .split(/^#### /m)
  .slice(1)
  .map((section) => recipeOf(section.split(/^#{2,3} /m)[0] ?? ''));

/** YAML files among the recipes, whether they belong to one or not. */
export const filesAmongRecipes: readonly string[] = yamlIn(recipePart);

/** Whole policies that explain the language. */
export const examples: readonly string[] = [...yamlIn(language), ...yamlIn(detailsPage)];

/** Throws where the page has no such recipe. */
export function recipeNamed(title: string): Recipe {
  const recipe = recipes.find((one) => one.title === title);
  if (!recipe) throw new Error(`no recipe "${title}"`);
  return recipe;
}

function recipeOf(section: string): Recipe {
  const title = section.split('\n')[0] ?? '';
  const [yaml = ''] = yamlIn(section);
  const under = section.split(/^```yaml\n.*?^```$/ms)[1] ?? '';
  const commands = (/^```sh\n(.*?)^```$/ms.exec(under)?.[1] ?? '').trim().split('\n');
  const rows = [...under.matchAll(/(?:^\|.*\n)+/gm)].flatMap(([table]) => rowsOf(table));
  return { title, yaml, commands, rows };
}

function yamlIn(text: string): string[] {
  return [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml = '']) => yaml);
}

function rowsOf(table: string): Row[] {
  const [titles = [], , ...rows] = table
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => cells.slice(1, -1));
  return rows.map((cells) => Object.fromEntries(titles.map((title, i) => [title, cells[i] ?? ''])));
}
