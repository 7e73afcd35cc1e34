// An access token whose time has passed, signed with the key of the running cloud: what a browser sends that was asleep for an hour.

import { createPrivateKey, sign } from "node:crypto";

// What precedes the seed in the PKCS #8 form of an Ed25519 private key (RFC 8410 §7).
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString("utf8"));

export function expired(token, seed) {
  const [header, payload] = token.split(".").map((part, index) => (index < 2 ? decode(part) : part));
  const past = Math.floor(Date.now() / 1000) - 1;
  const signed = `${encode(header)}.${encode({ ...payload, iat: past - 3600, exp: past })}`;
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, Buffer.from(seed, "base64")]),
    format: "der",
    type: "pkcs8",
  });
  return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
}

// The front token as it was, but for its expiry: the SDK then knows of it when it is asked for the session.
export function stale(frontToken) {
  const front = JSON.parse(Buffer.from(frontToken, "base64").toString("utf8"));
  return Buffer.from(JSON.stringify({ ...front, ate: Date.now() - 1000 })).toString("base64");
}
