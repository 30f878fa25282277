import { isIP } from 'node:net';
import { Document, isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { rfc3339 } from '../core/clock.ts';
import type { Learned, PublicLooking } from './learn.ts';
import type { Evidence, Proposal } from './proposal.ts';
import type { LineEdit } from './line-diff.ts';

export interface RouteEdits {
  readonly edits: readonly LineEdit[];
  /** The text's lines, without their ends. */
  readonly lines: readonly string[];
  /** Services whose part of the file is not written line by line: theirs is to be done by hand. */
  readonly byHand: readonly string[];
}

/**
 * What was learned as changes to lines of the file: its comments, its order and its way of writing stay. The evidence stands
 * above each line as a comment; what only strangers say is a comment as a whole.
 */
export function routeEdits(text: string, learned: Pick<Learned, 'proposals' | 'public_looking'>): RouteEdits {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', schema: 'core', logLevel: 'silent' });
  const written = text.replace(/\n$/, '').split('\n');
  const place: Place = { lines: written, lineOf: (offset) => lines.linePos(offset).line - 1, text };
  const names = new Set([...learned.proposals, ...learned.public_looking].map(({ service }) => service));
  const edits: LineEdit[] = [];
  const byHand: string[] = [];
  for (const name of names) {
    const service = document.getIn(['services', name], true);
    const found = isMap(service) ? serviceEdits(place, service, partOf(learned, name)) : null;
    if (found) edits.push(...found.map((edit) => ({ ...edit, part: name })));
    else byHand.push(name);
  }
  const end = text.includes('\r\n') ? '\r' : '';
  return {
    lines: written,
    edits: edits.map((edit) => ({ ...edit, added: edit.added.map((line) => line.replace(/\r?$/, end)) })),
    byHand,
  };
}

interface Place {
  readonly text: string;
  readonly lines: readonly string[];
  lineOf(offset: number): number;
}

type Part = Pick<Learned, 'proposals' | 'public_looking'>;

function partOf(learned: Part, name: string): Part {
  return {
    proposals: learned.proposals.filter(({ service }) => service === name),
    public_looking: learned.public_looking.filter(({ service }) => service === name),
  };
}

/** Null where the service, its list of routes or a rule to be narrowed is not written line by line. */
function serviceEdits(place: Place, service: YAMLMap, { proposals, public_looking }: Part): LineEdit[] | null {
  const routes = service.get('routes', true);
  const narrow = proposals.filter(({ kind }) => kind === 'narrow');
  const additions = [
    ...proposals.filter(({ kind }) => kind === 'add').map(addedLines),
    ...public_looking.map(publicLines),
  ].flat();
  if (service.flow || (isSeq(routes) && routes.flow)) return null;
  const edits: LineEdit[] = [];
  for (const proposal of narrow) {
    const item = isSeq(routes) && proposal.index !== null ? routes.items[proposal.index] : null;
    const narrowed = isMap(item) ? narrowing(place, item, proposal) : null;
    if (narrowed === null) return null;
    edits.push(...narrowed);
  }
  if (additions.length === 0) return edits;
  if (isSeq(routes) && routes.items.length > 0) {
    const indent = indentOf(place, routes);
    edits.push({ line: lineBehind(place, routes), removed: 0, added: additions.map((line) => indent + line) });
    return edits;
  }
  if (routes !== undefined && !(isScalar(routes) && routes.value === null)) return null;
  if (routes !== undefined) return null;
  const indent = ' '.repeat(columnOf(place, keyStart(service)));
  const added = [`${indent}routes:`, ...additions.map((line) => `${indent}  ${line}`)];
  return [...edits, { line: lineBehind(place, service), removed: 0, added }];
}

function narrowing(place: Place, item: YAMLMap, proposal: Proposal): LineEdit[] | null {
  const names = flow(proposal.callers ?? []);
  const start = item.range?.[0] ?? 0;
  const first = place.lineOf(start);
  const indent = /^\s*/.exec(place.lines[first] ?? '')?.[0] ?? '';
  const comment: LineEdit = { line: first, removed: 0, added: [`${indent}${evidenceComment(proposal.evidence)}`] };
  if (!item.flow) {
    const column = ' '.repeat(columnOf(place, keyStart(item)));
    return [comment, { line: lineBehind(place, item), removed: 0, added: [`${column}callers: ${names}`] }];
  }
  // Before the closing brace, behind what stands there last.
  const brace = (item.range?.[1] ?? 1) - 1;
  const line = place.lineOf(brace);
  const content = place.lines[line] ?? '';
  const column = columnOf(place, brace);
  const before = content.slice(0, column).replace(/,?\s*$/, '');
  // On a line before it there may be a comma or a comment, behind which nothing can be put from here.
  if (before.trim() === '') return null;
  return [comment, { line, removed: 1, added: [`${before}, callers: ${names} ${content.slice(column)}`] }];
}

function addedLines(proposal: Proposal): string[] {
  const { path, methods, access, callers } = proposal;
  const rule = { path, ...(methods && { methods }), ...(access && { access }), ...(callers && { callers }) };
  return [evidenceComment(proposal.evidence), `- ${flow(rule)}`];
}

/** As comments: only whoever knows what the path is may open it. */
function publicLines({ method, path, addresses, evidence }: PublicLooking): string[] {
  const rule = flow({ path, methods: [method], access: 'public' });
  const [words, condition] =
    method === 'OPTIONS'
      ? ['browsers ask this before they call, and show no credential for it,', 'pages of other sites are to call']
      : ['looks public, asked without a credential', 'everybody may have it'];
  return [
    // Proxies pass on what they were told, and nothing of it may end the comment.
    `# ${words} from ${addresses.filter((address) => isIP(address) !== 0).join(', ')}; open it only if ${condition}:`,
    `${evidenceComment(evidence)}`,
    `# - ${rule}`,
  ];
}

function evidenceComment({ requests, times, firstSeen, lastSeen, requestId }: Evidence): string {
  const when = `${rfc3339(firstSeen)} to ${rfc3339(lastSeen)}`;
  // A request id comes from the wire: nothing of it may end the comment.
  const id = requestId.replace(/[^\x21-\x7e]/g, '?').slice(0, 64);
  const often = requests === 1 ? '1 request' : `${requests} requests`;
  const spread = times === 1 ? '1 minute' : `${times} different minutes`;
  return `# learned: ${often} in ${spread}, ${when}, the last one ${id}`;
}

/** On one line, quoted where YAML needs it. */
function flow(value: object): string {
  const document = new Document(value);
  if (isMap(document.contents) || isSeq(document.contents)) document.contents.flow = true;
  const text = document.toString({ lineWidth: 0, flowCollectionPadding: !Array.isArray(value) }).trim();
  // Lists as the documents and nearly every file have them: no path, method or name has a space or a bracket in it.
  return text.replaceAll('[ ', '[').replaceAll(' ]', ']');
}

/** The first line behind a block collection, whatever comments and blank lines follow it. */
function lineBehind({ text, lineOf }: Place, node: YAMLMap | YAMLSeq): number {
  let end = node.range?.[1] ?? 0;
  while (end > 0 && /\s/.test(text[end - 1] ?? '')) end -= 1;
  return lineOf(Math.max(0, end - 1)) + 1;
}

function indentOf({ lines, lineOf }: Place, routes: YAMLSeq): string {
  const [first] = routes.items;
  const start = isMap(first) || isScalar(first) ? (first.range?.[0] ?? 0) : 0;
  return /^\s*(?=-)/.exec(lines[lineOf(start)] ?? '')?.[0] ?? '';
}

function keyStart(map: YAMLMap): number {
  const key = map.items[0]?.key;
  return isScalar(key) ? (key.range?.[0] ?? 0) : 0;
}

function columnOf({ text }: Place, offset: number): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1);
}
