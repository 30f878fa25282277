import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { requestWith } from '../../test/fixtures/asked.ts';
import type { AuthRequest } from '../core/request.ts';
import type { Scheme } from '../core/scheme.ts';
import { deny, REASONS, type Reason, type Verdict } from '../core/verdict.ts';

/** What a scheme brings to be held to the contract. */
export interface SchemeCase {
  readonly scheme: Scheme;
  /** A request that it allows, and as whom. */
  readonly accepted: AuthRequest;
  readonly principalId: string;
  /** Broken credentials of its own kind; each is judged, never skipped. */
  readonly broken: readonly { readonly what: string; readonly request: AuthRequest; readonly reason: Reason }[];
  /** Requests with credentials of other kinds only. */
  readonly foreign: readonly AuthRequest[];
  /** Presented or held secrets, which no verdict may repeat. */
  readonly secrets: readonly string[];
  /** Lower-case names of the fields it reads, for requests made of random ones. */
  readonly fields: readonly string[];
  /** The same scheme with a look-up that fails, and a request that comes to it; null where nothing is looked up. */
  readonly outage: { readonly scheme: Scheme; readonly request: AuthRequest } | null;
}

/** What every scheme keeps (core/scheme.ts), whatever it proves. */
export function schemeContract(name: string, make: () => SchemeCase): void {
  const told = (guarantee: string, body: (subject: SchemeCase) => void | Promise<void>) =>
    test(`${name}: ${guarantee}`, () => body(make()));

  told('has the name under which configurations ask for it', ({ scheme }) => {
    assert.equal(scheme.name, name);
  });

  told('allows a right credential and names the caller', async ({ scheme, accepted, principalId }) => {
    const verdict = await scheme.authenticate(accepted);
    assert.ok(verdict?.allowed, JSON.stringify(verdict));
    assert.equal(verdict.principal.id, principalId);
    assert.equal(verdict.principal.scheme, name);
  });

  told('is silent where nothing of its kind is presented', async ({ scheme, foreign }) => {
    assert.equal(await scheme.authenticate(exampleRequest()), null);
    for (const request of foreign) assert.equal(await scheme.authenticate(request), null);
  });

  told('judges every broken credential of its own kind, with a note for the operator', async ({ scheme, broken }) => {
    for (const { what, request, reason } of broken) {
      const verdict = await scheme.authenticate(request);
      assert.ok(verdict && !verdict.allowed, `${what} must be denied`);
      assert.equal(verdict.reason, reason, `${what}: ${verdict.note}`);
      assert.equal(verdict.scheme, name, what);
      assert.notEqual(verdict.note, '', what);
    }
  });

  told('repeats no secret in any verdict', async ({ scheme, accepted, broken, secrets }) => {
    const verdicts: (Verdict | null)[] = [await scheme.authenticate(accepted)];
    for (const { request } of broken) verdicts.push(await scheme.authenticate(request));
    const said = JSON.stringify(verdicts);
    for (const secret of secrets) assert.equal(said.includes(secret), false, 'a verdict holds a secret');
  });

  told('gives the same verdict on the same request twice', async ({ scheme, broken }) => {
    for (const { request } of broken)
      assert.deepEqual(await scheme.authenticate(request), await scheme.authenticate(request));
  });

  told('rejects when it cannot tell, rather than deny', async ({ outage }) => {
    if (outage) await assert.rejects(async () => outage.scheme.authenticate(outage.request), { code: 'away' });
  });

  told('challenges with a legal field value or not at all, for every reason', ({ scheme }) => {
    for (const reason of Object.keys(REASONS) as Reason[]) {
      const challenge = scheme.challenge(deny(reason, '', { requiredScopes: ['a:b', 'evil"\r\nset-cookie: x', 'ä'] }));
      // RFC 9110 §11.6.1: a scheme, then parameters whose values are quoted strings here.
      if (challenge !== null)
        assert.match(
          challenge,
          /^[A-Za-z]+ [a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"(?:, [a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*")*$/,
        );
    }
  });

  told('never throws on any field lines, and allows none that were made up', async ({ scheme, fields }) => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.stringMatching(/^(?:Bearer |bearer  ?|)(?:cs_(?:sk|st|hs|ad)_|)[0-9A-Za-z_.:-]{0,80}$/),
      fc.stringMatching(/^[0-9a-f]{64}$/),
      fc.stringMatching(/^[0-9]{1,14}$/),
    );
    const headers = fc.record(Object.fromEntries(fields.map((field) => [field, fc.array(value, { maxLength: 3 })])), {
      requiredKeys: [],
    });
    await fc.assert(
      fc.asyncProperty(headers, async (lines) => {
        const verdict = await scheme.authenticate(exampleRequest({ lines }));
        assert.equal(verdict?.allowed ?? false, false);
      }),
      { numRuns: 500 },
    );
  });
}

export interface ExampleRequest extends Partial<Omit<AuthRequest, 'fields' | 'body'>> {
  /** One line each, by lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Several lines each. */
  readonly lines?: Readonly<Record<string, readonly string[] | undefined>>;
}

export function exampleRequest(example: ExampleRequest = {}): AuthRequest {
  const { headers = {}, lines = {}, ...rest } = example;
  return requestWith({
    target: '/embeddings/embed?model=a',
    authority: 'stack.internal',
    fields: (field) => lines[field] ?? (headers[field] === undefined ? [] : [headers[field]]),
    ...rest,
  });
}

/** What a look-up throws when its source is away. */
export function away(): never {
  throw Object.assign(new Error('the source is away'), { code: 'away' });
}
