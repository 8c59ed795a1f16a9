SELECT id, path INTO category_paths FROM categories ORDER BY id;
ALTER TABLE category_paths ADD PRIMARY KEY (id), REPLICA IDENTITY FULL;
LOCK TABLE category_paths, categories IN SHARE ROW EXCLUSIVE MODE;
UPDATE category_paths SET path = upper(path) WHERE id IN (SELECT id FROM categories WHERE parent_id = 1);
