SELECT g.id FROM gin AS g WHERE g.custom_data @> '{"zone": "south", "express": true}' ORDER BY g.id LIMIT 100;
