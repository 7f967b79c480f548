"""A FastAPI application with Tollhouse mounted in it: pages for all and for some, paid work, handlers of events."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from tollhouse import Caller, Event, Hold, Tollhouse

toll = Tollhouse()
app = FastAPI(title="Notes")
toll.install(app)

SignedIn = Annotated[Caller, Depends(toll.user)]
ThreeCredits = Annotated[Hold, Depends(toll.hold(3))]
notes: dict[str, list[str]] = {}  # by user id; a real application has a table
thanked: set[str] = set()  # the payments that were thanked for; a real application has their ids as a primary key


@app.get("/")
async def home() -> HTMLResponse:
    """Return a page that anybody may see."""
    return HTMLResponse(
        '<h1>Notes</h1><p><a href="/auth/sign-in?next=/notes">Sign in</a> to see yours.'
        '<form method="post" action="/reports"><button>Report on them for 3 credits</button></form>'
    )


@app.get("/notes")
async def list_notes(user: SignedIn) -> dict[str, object]:
    """Return the notes of whoever is signed in; 401 for anybody else."""
    return {"email": user.email, "notes": notes.get(user.user_id, [])}


@app.post("/notes", status_code=201)
async def add_note(text: str, user: SignedIn) -> dict[str, object]:
    """Add a note; refused when another site sent the request."""
    notes.setdefault(user.user_id, []).append(text)
    return {"notes": notes[user.user_id]}


@app.post("/reports", status_code=201)
async def write_report(hold: ThreeCredits) -> dict[str, object]:
    """Return a report for three credits; 402 for whoever has fewer, and nothing is spent where nothing came of it."""
    theirs = notes.get(hold.user_id)
    if not theirs:
        raise HTTPException(409, "There is nothing to report on.")  # not captured, so the credits are free again
    words = sum(len(note.split()) for note in theirs)
    await hold.capture()
    return {"notes": len(theirs), "words": words}


@toll.on("user.created", name="first-note")
async def write_first_note(event: Event) -> None:
    """Welcome a new user; the event may come twice, so look before writing."""
    theirs = notes.setdefault(str(event.user_id), [])
    if not theirs:
        theirs.append("Welcome!")


@toll.on("payment.succeeded", name="thanks")
async def write_thanks(event: Event) -> None:
    """Thank for a payment, once: the event may come twice, and tells of the same payment then."""
    if event.data["payment_id"] not in thanked:
        thanked.add(event.data["payment_id"])
        notes.setdefault(str(event.user_id), []).append(f"Thank you! You have {event.data['credits']} credits more.")


@toll.on("user.erased", name="forget-notes")
async def forget_notes(event: Event) -> None:
    """Delete what belongs to a user who is gone."""
    notes.pop(str(event.user_id), None)
