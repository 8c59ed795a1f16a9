CREATE TEXT SEARCH DICTIONARY short_words (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION articles_words (COPY = english);
ALTER TEXT SEARCH CONFIGURATION articles_words ALTER MAPPING FOR asciiword WITH short_words, english_stem;
COMMENT ON TEXT SEARCH CONFIGURATION articles_words IS 'English without its stop words';
