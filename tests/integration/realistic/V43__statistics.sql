CREATE STATISTICS orders_spread (ndistinct, dependencies) ON customer_id, placed_on FROM orders;
ALTER STATISTICS orders_spread SET STATISTICS 50;
COMMENT ON STATISTICS orders_spread IS 'customers order in bursts';
ANALYZE orders (customer_id, placed_on), customers;
