/*
 * signal.pml
 *	  Model of the signal: who may sleep, and who must notify.
 *
 * Written from src/signal.c, from dispatch_claim_callbacks() in src/claim.c and
 * from listener/claim.c; each step names what it mirrors. What PostgreSQL does
 * for them is as in its source: CommitTransaction(), LockAcquireExtended(),
 * ProcLockWakeup(), SignalBackends().
 *
 * Spin goes through every interleaving of WRITERS transactions, which commit,
 * fail at any point, or are prepared, and of two listeners. With OWN one of the
 * listeners also writes, in the session in which it sleeps. With TROUBLE one of
 * these may happen at any moment: the server crashes, a listener is killed, a
 * claim fails.
 *
 * The promise: no row that committed waits for the poll, save those that were
 * prepared, and those that a listener had just claimed when it was killed.
 *
 * Each BROKEN_... is a mistake that the model must find. search.sh says what
 * test/run searches. All at once takes a minute and 2 GB:
 *	  spin -DWRITERS=2 -DOWN -DTROUBLE -run -safety -O2 -DCOLLAPSE -m100000 signal.pml
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#define LISTENERS 2

#define BIT(n) (1 << (n))

/*
 * The queue, by rows: one for each writer, for all that it inserts, and one for
 * the transaction of a listener. Before it commits nobody else sees a row.
 */
#define OWN_ROW WRITERS

byte due;					/* committed, and to be claimed */
byte taken[LISTENERS];		/* the same, but locked by a claim that has not committed */
byte announced;				/* can be seen, and the notification is about to be sent */
byte excused;				/* may wait for the poll */

/* The lock "asleep", by sessions: those of the listeners, then those of the writers. */
byte share;
byte asleep;				/* have it in RowExclusive mode */
byte waiting;				/* wait for that */

/* The listeners. */
bool heard[LISTENERS];		/* a notification is there */
bool idle[LISTENERS];		/* waits for one, or for the poll */
bool dead[LISTENERS];
bool failed[LISTENERS];		/* its claim has failed */

bool crashed;				/* the server, once */

/*
 * The lock
 */

/* LockRelease(Share) and ProcLockWakeup(): those that wait do not conflict with each other. */
inline release_share(session)
{
	share = share & ~BIT(session);
	if
	:: share == 0 -> asleep = asleep | waiting; waiting = 0
	:: else
	fi
}

/* dispatch_fall_asleep() up to where it waits: LockAcquireExtended(RowExclusive). */
inline request_sleep(session)
{
	if
	:: share == 0 -> asleep = asleep | BIT(session)
	:: else -> waiting = waiting | BIT(session)
	fi
}

/* dispatch_wake_up() */
inline wake_up(session)
{
	asleep = asleep & ~BIT(session)
}

/* announce() and nobody_sleeps(). A lock of one's own does not conflict; that somebody waits does. */
inline announce(session)
{
	if
#ifndef BROKEN_OWN_LOCK
	:: asleep & BIT(session) -> notifies = true
#endif
	:: else ->
		if
		:: (asleep & ~BIT(session)) == 0 && waiting == 0 -> share = share | BIT(session)
		:: else -> notifies = true
		fi
	fi
}

/*
 * Writers
 */

/*
 * The statements of a transaction: savepoints, and inserts into the queue.
 * inserted has a bit for each nest level that has rows; queued_level is the
 * variable of signal.c. At the end the one says what the other does.
 */
inline savepoints()
{
	nest = 1;
	do
	:: nest < 3 ->							/* SAVEPOINT */
		nest++
	:: (inserted & BIT(nest)) == 0 ->		/* INSERT: dispatch_signal() */
		inserted = inserted | BIT(nest);
		if
		:: queued_level == 0 || nest < queued_level -> queued_level = nest
		:: else
		fi
	:: nest > 1 ->							/* ROLLBACK TO: end_subtransaction(SUBXACT_EVENT_ABORT_SUB) */
		inserted = inserted & ~BIT(nest);
#ifdef BROKEN_SAVEPOINT
		queued_level = 0;
#else
		if
		:: queued_level >= nest -> queued_level = 0
		:: else
		fi;
#endif
		nest--
	:: nest > 1 ->							/* RELEASE: end_subtransaction(SUBXACT_EVENT_COMMIT_SUB) */
		if
		:: inserted & BIT(nest) -> inserted = (inserted & ~BIT(nest)) | BIT(nest - 1)
		:: else
		fi;
		if
		:: queued_level >= nest -> queued_level = nest - 1
		:: else
		fi;
		nest--
	:: nest == 1 -> break
	od;
	assert((queued_level > 0) == (inserted > 0));
	d_step { nest = 0; inserted = 0; queued_level = 0 }
}

/* RecordTransactionCommit() and ProcArrayEndTransaction(). */
inline make_visible(r)
{
	d_step {
		due = due | BIT(r);
		if
		:: notifies -> announced = announced | BIT(r)
		:: else
		fi
	}
}

/* CommitTransaction() of one that queued, from end_transaction(XACT_EVENT_PRE_COMMIT) on. */
inline commit(session, r)
{
	d_step { announce(session) }
#ifdef BROKEN_EARLY_RELEASE
	d_step { release_share(session) }
#endif
	make_visible(r);
	d_step {
		if
		:: notifies -> heard[0] = !dead[0]; heard[1] = !dead[1]	/* SignalBackends() */
		:: else -> release_share(session)	/* ResourceOwnerRelease(RESOURCE_RELEASE_LOCKS) */
		fi;
		announced = announced & ~BIT(r);
		notifies = false
	}
}

/* A transaction. One that rolls back before it commits leaves no trace here. */
proctype writer(byte me)
{
	bool notifies, knows;

	knows = crashed;
	{
		if
		:: commit(LISTENERS + me, me)
		:: d_step { announce(LISTENERS + me) }		/* a failure after XACT_EVENT_PRE_COMMIT */
		   d_step { release_share(LISTENERS + me); notifies = false }
		:: goto prepared							/* XACT_EVENT_PRE_PREPARE */
		fi
	} unless { crashed && !knows };
	goto done;
prepared:
	excused = excused | BIT(me);
	make_visible(me);								/* COMMIT PREPARED, by anybody */
done:
	skip
}

/*
 * Listeners
 */

/* claim(): what the snapshot shows as due, FOR UPDATE SKIP LOCKED. */
inline take(session)
{
	d_step {
		taken[session] = snapshot & due;
		due = due & ~snapshot
	}
}

/* dispatch_claim_callbacks(). */
inline claim(session)
{
	d_step { wake_up(session) }
	snapshot = due | taken[0] | taken[1];
	take(session);
	if
	:: taken[session] || !arm
	:: else ->										/* arm() */
		d_step { request_sleep(session) }
		asleep & BIT(session);
#ifndef BROKEN_ONE_LOOK
#ifndef BROKEN_OLD_SNAPSHOT
		snapshot = due | taken[0] | taken[1];
#endif
		take(session);
		if
		:: d_step { taken[session] -> wake_up(session) }
		:: else
		fi
#endif
	fi
}

/* The claim's transaction commits: its rows are the program's. */
inline lease(session)
{
	excused = excused & ~taken[session];
	taken[session] = 0;
	snapshot = 0;
#ifdef BROKEN_SHORT_SLEEP
	wake_up(session);
#endif
}

/* Or it does not. */
inline give_up(session)
{
	due = due | taken[session];
	taken[session] = 0
}

/*
 * The program: claims_tick() and plan_next(). Whether a claim arms is left open:
 * the linger decides that, and nothing may depend on it.
 */
proctype listener(byte me)
{
	bool arm, notifies, wrote, knows;
	byte snapshot;

connect:				/* It looks at once, since nobody heard what was notified meanwhile. */
	knows = crashed;
	{
		skip;
again:
		if
		:: d_step { heard[me] = false; arm = false }
		:: d_step { heard[me] = false; arm = true }
		fi;
		claim(me);
		if
		:: d_step { taken[me] || !arm -> lease(me); arm = false }
		   goto again
		:: d_step { else -> lease(me); arm = false }
		fi;
		idle[me] = true;			/* CLAIM_ASLEEP */
end:
		if
		:: d_step { heard[me] -> idle[me] = false }
		   goto again
#ifdef OWN
		:: me == 0 && !wrote ->		/* a transaction in the session that sleeps */
			wrote = true;
			commit(me, OWN_ROW);
			goto end
#endif
		fi
	} unless {
		if
		:: dead[me]
		:: d_step { crashed && !knows -> notifies = false; snapshot = 0 }
		   goto connect
		:: d_step { failed[me] -> failed[me] = false; notifies = false; snapshot = 0 }
		   if
		   :: skip					/* it goes on with that session, */
		   :: d_step { wake_up(me) }	/* or with another one */
		   fi;
		   goto connect
		fi
	}
}

/*
 * Trouble, once and at any moment. A backend that has made its rows visible goes on to the end.
 */
inline fail(l)
{
	give_up(l);
	waiting = waiting & ~BIT(l);
	idle[l] = false;
	failed[l] = true
}

inline kill(l)
{
	excused = excused | taken[l];
	give_up(l);
	waiting = waiting & ~BIT(l);
	wake_up(l);
	heard[l] = false;
	dead[l] = true
}

inline crash()
{
	give_up(0);
	give_up(1);
	share = 0;
	asleep = 0;
	waiting = 0;
	announced = 0;
	idle[0] = false;
	idle[1] = false;
	crashed = true
}

active proctype trouble()
{
	if
	:: skip
#ifdef TROUBLE
	:: d_step { crash() }
	:: d_step { kill(1) }
	:: d_step { fail(1) }
#ifdef OWN				/* else one listener is as the other */
	:: d_step { (announced & BIT(OWN_ROW)) == 0 -> kill(0) }
	:: d_step { (announced & BIT(OWN_ROW)) == 0 -> fail(0) }
#endif
#endif
	fi
}

/*
 * The promise, looked at in every state: while something is due, a listener is
 * awake, or is about to be woken, if there is any.
 */
#define SLEEPS(l) (dead[l] || (idle[l] && !heard[l]))

active proctype monitor()
{
end:
	atomic {
		(due & ~excused) && SLEEPS(0) && SLEEPS(1) && !(dead[0] && dead[1]) && announced == 0 ->
			assert(false)
	}
}

init
{
	byte nest, inserted, queued_level;
	byte n;

	savepoints();
	atomic {
		do
		:: n < WRITERS -> run writer(n); n++
		:: else -> break
		od;
		run listener(0);
		run listener(1)
	}
}
