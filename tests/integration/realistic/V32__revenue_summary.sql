CREATE MATERIALIZED VIEW revenue_summary AS SELECT count(*) AS customers, sum(total) AS total FROM revenue;
CREATE UNIQUE INDEX revenue_summary_once ON revenue_summary (customers);
