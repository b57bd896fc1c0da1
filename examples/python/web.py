"""A web shop in FastAPI: what is ordered is published, and billed by a handler of the same process.

    pip install './bindings/python[pydantic]' fastapi uvicorn uvloop
    KAFKA=localhost:9092 uvicorn --app-dir examples/python web:app        (without KAFKA: the broker inside the process)
    curl -H 'Content-Type: application/json' -d '{"orderId": "ORD-1", "amount": 299.99}' localhost:8000/orders
    curl localhost:8000/bills/ORD-1

The system starts and shuts down with the application (its lifespan); each worker process has a system of its own.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import kca
import kca.asyncio
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field


class OrderCreated(BaseModel):
    """The payload, and by its class the message's name: orderCreated."""

    orderId: str
    amount: float = Field(ge=0)


system = kca.asyncio.System(
    kca.Connection("kafka", os.environ.get("KAFKA", "embedded://")),
    kca.PublisherBuilder("kafka", "order.events", async_=False, required_acks=-1, buffer_timeout_ms=2000),
    kca.ConsumerBuilder("kafka", "order.events", "billing", start_offset="earliest"),
).log_to_logging()
billed: dict[str, float] = {}


@system.handler
async def bill(order: OrderCreated) -> None:
    """Runs as a task of the loop that serves the requests."""
    billed[order.orderId] = order.amount


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The consumer runs while the application does; then what is being handled is finished and committed."""
    async with system, system.consumer("billing", amount_of_processors=8).running():
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def create(order: OrderCreated) -> dict[str, int]:
    """Answers when the broker has stored the order."""
    try:
        receipt = await system.event_bus("order.events").publish(order, key=order.orderId)
    except kca.Error as e:
        raise HTTPException(503 if e.retriable else 500, str(e)) from e
    return {"partition": receipt.partition, "offset": receipt.offset}


@app.get("/bills/{order_id}")
async def bill_of(order_id: str) -> float:
    """What the order costs, once it is billed."""
    if order_id not in billed:
        raise HTTPException(404)
    return billed[order_id]
