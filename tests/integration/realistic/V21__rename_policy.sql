ALTER POLICY customers_read ON customers RENAME TO customers_are_read;
ALTER POLICY customers_are_read ON customers USING (true);
