SELECT n.nspname::text, n.oid,
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
       EXISTS (SELECT FROM pg_class h
               WHERE h.relnamespace = n.oid AND h.relname = $2::text::name AND h.relkind IN ('r', 'p'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = $1::text::name AND c.relkind IN ('r', 'p')
    AND n.nspname <> $3::text::name AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND ($4::text IS NULL OR n.nspname::text LIKE $4 OR n.nspname = $5::text::name)
ORDER BY 1
