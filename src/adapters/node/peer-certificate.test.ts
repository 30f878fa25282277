// Before the library, which registers its parts with it.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { X509CertificateGenerator, type JsonName } from '@peculiar/x509';
import { peerCertificate } from './peer-certificate.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function commonName(name: JsonName): Promise<string | null | undefined> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const made = await X509CertificateGenerator.createSelfSigned({ name, keys, signingAlgorithm: algorithm });
  const certificate = new X509Certificate(made.toString('pem'));
  const socket = { encrypted: true, authorized: true, getPeerX509Certificate: () => certificate };
  return peerCertificate({ socket } as unknown as IncomingMessage)?.commonName;
}

test('the only common name counts, and no part of another name that begins a line in some way', async () => {
  assert.equal(await commonName([{ O: ['x'] }, { CN: ['batch-1'] }]), 'batch-1');
  assert.equal(await commonName([{ CN: ['batch-1'] }, { CN: ['batch-2'] }]), null);
  // As certificates with a SPIFFE id alone have it.
  assert.equal(await commonName([]), null);
  for (const mark of ['\n', '\r', '\u2028', '\u2029']) {
    assert.equal(await commonName([{ O: [`x${mark}CN=batch-1`] }]), null);
    assert.notEqual(await commonName([{ CN: [`batch-1${mark}x`] }]), 'batch-1');
    assert.notEqual(await commonName([{ CN: [`x${mark}CN=batch-1`] }]), 'batch-1');
  }
});
