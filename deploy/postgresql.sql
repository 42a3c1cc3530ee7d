-- Roles and database of the portal, once, as an administrator of PostgreSQL:
--
--   OWNER_PASSWORD=… PORTAL_PASSWORD=… psql --set=ON_ERROR_STOP=1 --file=deploy/postgresql.sql postgres
--
-- portal_owner owns the tables, migrates, and removes old events; portal_app is what servers and worker are. What it
-- may do, `manage.py database_roles portal_app` gives it after each migration.

\getenv owner_password OWNER_PASSWORD
\getenv portal_password PORTAL_PASSWORD

CREATE ROLE portal_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE portal_app LOGIN PASSWORD :'portal_password';

-- What the portal asks of each connection, for those that it shares: a pooler does not pass it on.
ALTER ROLE portal_app SET statement_timeout = '5s';
ALTER ROLE portal_app SET lock_timeout = '2s';
ALTER ROLE portal_app SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE portal_app SET timezone = 'UTC';

CREATE DATABASE portal OWNER portal_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE portal FROM PUBLIC;
GRANT CONNECT ON DATABASE portal TO portal_app;
