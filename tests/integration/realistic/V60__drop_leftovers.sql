DROP INDEX IF EXISTS orders_customer, no_such_index;
DROP VIEW IF EXISTS open_orders CASCADE;
DROP MATERIALIZED VIEW revenue_summary;
DROP STATISTICS IF EXISTS orders_spread;
DROP OPERATOR IF EXISTS =~= (text, text) CASCADE;
DROP DOMAIN IF EXISTS no_such_domain;
DROP AGGREGATE longest(text);
