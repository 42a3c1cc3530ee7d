// oidc-provider as its documentation sets it up, with its rows in PostgreSQL: an authorization with a live session,
// answered with a code. `node provider.mjs fill <sessions>` makes its table and so many sessions, and prints their ids;
// `node provider.mjs serve <port>` serves in two processes, as the portal does.
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';

import Provider from 'oidc-provider';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4 });
const one = async (statement, values) => (await pool.query(statement, values)).rows[0];
const DAY = 86400;

// Each statement is prepared once on a connection, as node's driver does for those that have a name.
class Rows {
  constructor(name) {
    this.name = name;
  }

  async upsert(id, payload, expiresIn) {
    await pool.query({
      name: 'upsert',
      text: `INSERT INTO peer (model, id, payload, grant_id, uid, expires_at)
        VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 second')
        ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload, grant_id = excluded.grant_id,
          uid = excluded.uid, expires_at = excluded.expires_at`,
      values: [this.name, id, payload, payload.grantId ?? null, payload.uid ?? null, expiresIn ?? DAY],
    });
  }

  async find(id) {
    const found = await one({
      name: 'find',
      text: 'SELECT payload, consumed_at FROM peer WHERE model = $1 AND id = $2 AND expires_at > now()',
      values: [this.name, id],
    });
    return found && { ...found.payload, ...(found.consumed_at ? { consumed: true } : {}) };
  }

  async findByUid(uid) {
    const found = await one('SELECT payload FROM peer WHERE model = $1 AND uid = $2', [this.name, uid]);
    return found?.payload;
  }

  async consume(id) {
    await pool.query('UPDATE peer SET consumed_at = now() WHERE model = $1 AND id = $2', [this.name, id]);
  }

  async destroy(id) {
    await pool.query('DELETE FROM peer WHERE model = $1 AND id = $2', [this.name, id]);
  }

  async revokeByGrantId(grantId) {
    await pool.query('DELETE FROM peer WHERE grant_id = $1', [grantId]);
  }
}

const provider = new Provider('http://127.0.0.1', {
  adapter: Rows,
  clients: [
    {
      client_id: 'peer',
      client_secret: 'of-a-peer-under-measurement-which-nobody-else-uses',
      redirect_uris: ['https://large.example/callback'],
    },
  ],
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: { devInteractions: { enabled: false } },
  ttl: { Session: DAY, Grant: DAY, AuthorizationCode: 60 },
});

async function fill(sessions) {
  await pool.query(`CREATE TABLE peer (model text, id text, payload jsonb NOT NULL, grant_id text, uid text,
    expires_at timestamptz NOT NULL, consumed_at timestamptz, PRIMARY KEY (model, id));
    CREATE INDEX ON peer (grant_id); CREATE INDEX ON peer (uid)`);
  for (let number = 0; number < sessions; number += 1) {
    const grant = new provider.Grant({ accountId: `agent${number}`, clientId: 'peer' });
    grant.addOIDCScope('openid');
    const grantId = await grant.save();
    const session = new provider.Session({
      accountId: `agent${number}`,
      loginTs: Math.floor(Date.now() / 1000),
      uid: randomBytes(16).toString('base64url'),
      authorizations: { peer: { sid: randomBytes(16).toString('base64url'), grantId } },
    });
    console.log(await session.save(DAY));
  }
  await pool.end();
}

const [act, number] = process.argv.slice(2);
if (act === 'fill') {
  await fill(Number(number));
} else if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  provider.listen(Number(number), '127.0.0.1');
}
