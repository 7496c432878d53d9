"""The service: takes orders, says how they stand. One `AsyncEngine` for the application; nodes do the work.

uvicorn web:app        beside it: hydra start app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import hydra
from app import Order, fulfil
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, Field

engine = hydra.AsyncEngine(max_pending=int(os.environ.get("SERVICE_MAX_PENDING", "100000")))  # of $HYDRA_DB


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.close()


app = FastAPI(lifespan=lifespan)


class NewOrder(BaseModel):
    number: str = Field(min_length=1, max_length=100)
    card: str = Field(min_length=4)
    amount: Decimal = Field(gt=0)


@app.post("/orders", status_code=202)
async def place(order: NewOrder) -> dict[str, str]:
    """Repeating it is safe: the order's number is the key."""
    bound = fulfil.bind(Order(order.number, order.card, order.amount))
    try:
        handle = await engine.submit(bound, key=order.number)
    except hydra.IdempotencyConflict as conflict:
        raise HTTPException(409, str(conflict)) from None
    except hydra.QueueFull as full:
        raise HTTPException(429, str(full), {"Retry-After": "1"}) from None
    except hydra.StoreUnavailable as error:
        raise HTTPException(503, str(error), {"Retry-After": "1"}) from None
    return {"id": handle.id}


@app.get("/orders/{id}")
async def look(id: str) -> dict[str, str]:
    try:
        handle = await engine.get(id)
        return {"id": id, "status": await handle.status()}
    except hydra.NotFound:
        raise HTTPException(404, f"there is no order `{id}`") from None
    except hydra.StoreUnavailable as error:
        raise HTTPException(503, str(error), {"Retry-After": "1"}) from None


@app.get("/orders/{id}/receipt")
async def receipt(id: str, response: Response, wait: float = 5.0) -> dict[str, str]:
    """Waits so long at most; 202 while the order goes on."""
    try:
        handle = await engine.get(id)
        found = await handle.result(timeout=min(wait, 20.0))
    except hydra.NotFound:
        raise HTTPException(404, f"there is no order `{id}`") from None
    except hydra.ResultTimeout:
        response.status_code = 202
        return {"id": id}
    except hydra.StoreUnavailable as error:
        raise HTTPException(503, str(error), {"Retry-After": "1"}) from None
    plain = found if isinstance(found, dict) else {"number": found.number, "paid": found.paid, "payment": found.payment}
    return {name: str(value) for name, value in plain.items()}


@app.get("/health")
async def health() -> dict[str, int]:
    stats = await engine.stats()
    return {"nodes": stats.nodes_alive}
