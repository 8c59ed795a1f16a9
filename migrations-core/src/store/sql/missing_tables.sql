WITH there AS (
    SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2
)
SELECT name FROM unnest($1::text[]) AS name
WHERE name NOT IN (SELECT name FROM there) AND $3 IN (SELECT name FROM there)
