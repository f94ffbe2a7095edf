-- The extension, and the type that the benches create dispatches of: eight attributes, two of them
-- with a pattern.
CREATE EXTENSION dispatch;
SELECT dispatch.create_type('lastmile');
SELECT dispatch.create_attributes('lastmile', '[
    {"name": "zone", "dataType": "string", "validation": {"required": true, "valueOneOf": ["north", "south", "east", "west"]}},
    {"name": "weightKg", "dataType": "number", "validation": {"required": true, "range": {"min": 0, "max": 1000}}},
    {"name": "plate", "dataType": "string", "validation": {"required": true, "regex": "^[A-Z]{2}-[0-9]{4}$"}},
    {"name": "phone", "dataType": "string", "validation": {"regex": "^\\+[0-9]{6,15}$"}},
    {"name": "express", "dataType": "boolean", "validation": {"required": true}},
    {"name": "note", "dataType": "string", "validation": {"range": {"max": 200}}},
    {"name": "stops", "dataType": "number", "validation": {"range": {"min": 1, "max": 100}}},
    {"name": "contact", "dataType": "object"}
]');
