\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT jsonb_build_object(
           'dispatchId', d.id, 'dispatchRef', d.dispatch_ref, 'dispatchTypeName', t.name, 'status', d.status,
           'customData', d.custom_data, 'version', d.version, 'createdAt', d.created_at, 'updatedAt', d.updated_at,
           'jobs', (SELECT jsonb_agg(jsonb_build_object('jobId', j.job_id, 'state', j.state) ORDER BY j.id)
                      FROM plain.jobs AS j WHERE j.dispatch_id = d.id),
           'participants', (SELECT jsonb_agg(jsonb_build_object('participantId', p.participant_id, 'state', p.state) ORDER BY p.id)
                              FROM plain.participants AS p WHERE p.dispatch_id = d.id))
  FROM plain.dispatches AS d JOIN plain.types AS t ON t.id = d.type_id
 WHERE d.id = :n;
