// Validates HAR documents against the published JSON schema of HAR 1.2: `node har.mjs FILE...` prints a
// line for each breach and ends with 1 if there was one.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';

const require = createRequire(import.meta.url);
// Its schemas are of draft 6, which this Ajv reads but does not bring along as known.
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addMetaSchema(require('ajv/dist/refs/json-schema-draft-06.json'));
addFormats.default(ajv);
const schemas = require('har-schema');
for (const schema of Object.values(schemas)) if (schema.$id !== schemas.har.$id) ajv.addSchema(schema);
const validate = ajv.compile(schemas.har);

for (const file of process.argv.slice(2)) {
  if (validate(JSON.parse(readFileSync(file, 'utf8')))) continue;
  for (const { instancePath, message } of validate.errors) console.log(`${file}${instancePath}: ${message}`);
  process.exitCode = 1;
}
