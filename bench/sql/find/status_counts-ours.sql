SELECT sum(c.dispatches) FROM dispatch.dispatch_status_counts('dated', true) AS c;
