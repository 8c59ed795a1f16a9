ALTER TABLE customers ADD COLUMN owner name NOT NULL DEFAULT 'unknown';
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY customers_owner ON customers FOR ALL TO PUBLIC USING (owner = current_user) WITH CHECK (owner = current_user);
CREATE POLICY customers_read ON customers AS RESTRICTIVE FOR SELECT USING (EXISTS (SELECT FROM plans));
COMMENT ON POLICY customers_owner ON customers IS 'one sees one''s own';
