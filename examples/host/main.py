"""A FastAPI application with Tollhouse mounted in it: a public page, a page for whoever is signed in, a handler."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from tollhouse import Caller, Event, Tollhouse

toll = Tollhouse()
app = FastAPI(title="Notes")
toll.install(app)

SignedIn = Annotated[Caller, Depends(toll.user)]
notes: dict[str, list[str]] = {}  # by user id; a real application has a table


@app.get("/")
async def home() -> HTMLResponse:
    """Return a page that anybody may see."""
    return HTMLResponse('<h1>Notes</h1><p><a href="/auth/sign-in?next=/notes">Sign in</a> to see yours.')


@app.get("/notes")
async def list_notes(user: SignedIn) -> dict[str, object]:
    """Return the notes of whoever is signed in; 401 for anybody else."""
    return {"email": user.email, "notes": notes.get(user.user_id, [])}


@app.post("/notes", status_code=201)
async def add_note(text: str, user: SignedIn) -> dict[str, object]:
    """Add a note; refused when another site sent the request."""
    notes.setdefault(user.user_id, []).append(text)
    return {"notes": notes[user.user_id]}


@toll.on("user.created", name="first-note")
async def write_first_note(event: Event) -> None:
    """Welcome a new user; the event may come twice, so look before writing."""
    theirs = notes.setdefault(str(event.user_id), [])
    if not theirs:
        theirs.append("Welcome!")


@toll.on("user.erased", name="forget-notes")
async def forget_notes(event: Event) -> None:
    """Delete what belongs to a user who is gone."""
    notes.pop(str(event.user_id), None)
