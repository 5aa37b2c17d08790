// An agency in another language: it needs the contract and the published token scheme, and nothing of the matcher's code.
//
// node submit.js ADDRESS PKI_FOLDER VECTORS: sends the published vectors' records, then a batch with a column too short.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { promisify } = require("node:util");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true };
const ALIAS_BYTES = 16;
const TOKEN_BYTES = 16;
const ENCAPSULATION_BYTES = 80;

const [address, pki, vectorsPath] = process.argv.slice(2);
const protos = path.join(__dirname, "..", "..", "proto");
const contract = grpc.loadPackageDefinition(
  loader.loadSync("matcher/v1/feed_service.proto", { ...OPTIONS, includeDirs: [protos] }),
).matcher.v1;
const reader = loader.loadSync(path.join(__dirname, "status.proto"), OPTIONS)["details.Reader"].Read;

function lengthPrefixed(text) {
  const data = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(data.length);
  return Buffer.concat([length, data]);
}

// docs/token-scheme.md, "Alias"
function alias(key, agency, reference) {
  const message = Buffer.concat(["alias", agency, reference].map(lengthPrefixed));
  return crypto.createHmac("sha256", key).update(message).digest().subarray(0, ALIAS_BYTES);
}

function mask(bits) {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(bits);
  return bytes;
}

function recordBatch(scheme, epoch, records) {
  const missing = { block_token: "00".repeat(TOKEN_BYTES), encoding: "00".repeat(scheme.encoding_bytes) };
  const rows = records.map((record) => {
    const byPass = new Map(record.passes.map((each) => [each.pass, each]));
    return {
      fieldMask: record.field_mask,
      passMask: scheme.passes.reduce((bits, name, p) => bits | (byPass.has(name) ? 1 << p : 0), 0),
      passes: scheme.passes.map((name) => byPass.get(name) || missing),
    };
  });
  const column = (name) =>
    Buffer.concat(rows.flatMap((row) => row.passes.map((each) => Buffer.from(each[name], "hex"))));
  const key = crypto.randomBytes(32);
  return {
    scheme_digest: scheme.digest,
    epoch,
    record_count: rows.length,
    row_count: rows.length,
    aliases: Buffer.concat(rows.map((_, i) => alias(key, "police", `NODE-${i}`))),
    field_masks: Buffer.concat(rows.map((row) => mask(row.fieldMask))),
    pass_masks: Buffer.concat(rows.map((row) => mask(row.passMask))),
    block_tokens: column("block_token"),
    encodings: column("encoding"),
    observed_days: Buffer.alloc(4 * rows.length, 0xff), // -1: not known
    flags: Buffer.alloc(rows.length),
    // sealed to nobody: sealing is not what this tries
    encapsulation: crypto.randomBytes(ENCAPSULATION_BYTES),
    sealed_references: crypto.randomBytes(rows.length * scheme.sealed_bytes),
  };
}

function errorInfo(error) {
  const [data] = error.metadata.get("grpc-status-details-bin");
  const status = reader.requestDeserialize(data);
  const infos = status.details.filter((detail) => detail.type_url === "type.googleapis.com/google.rpc.ErrorInfo");
  return infos.map((detail) => reader.responseDeserialize(detail.value));
}

async function main() {
  const read = (name) => fs.readFileSync(path.join(pki, name));
  const credentials = grpc.credentials.createSsl(read("authority.pem"), read("key.pem"), read("certificate.pem"));
  const client = new contract.FeedService(address, credentials);
  const call = (method) => promisify(client[method].bind(client));

  const told = await call("GetScheme")({});
  const scheme = told.scheme;
  const digest = crypto.createHash("sha256").update(scheme.canonical_json).digest();
  if (!digest.equals(scheme.digest)) {
    throw new Error("the scheme's digest is not that of its canonical JSON");
  }
  const vectors = JSON.parse(fs.readFileSync(vectorsPath, "utf8"));
  const published = vectors.schemes.find((each) => each.digest === digest.toString("hex"));
  if (published === undefined || published.key_check !== told.key_check.toString("hex")) {
    throw new Error("the matcher uses another scheme or key than the vectors");
  }

  const batch = recordBatch(scheme, told.epoch, published.records);
  const reply = await call("SubmitRecords")({ request_id: crypto.randomUUID(), batch });
  const short = { ...batch, encodings: batch.encodings.subarray(1) };
  const refusal = await call("SubmitRecords")({ request_id: crypto.randomUUID(), batch: short }).then(
    () => null,
    (error) => ({ code: grpc.status[error.code], infos: errorInfo(error) }),
  );
  client.close();
  console.log(JSON.stringify({ digest: digest.toString("hex"), records: published.records.length, reply, refusal }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
