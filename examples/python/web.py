"""A web shop in FastAPI: it publishes orders, and a handler in its process bills them.

    pip install './bindings/python[pydantic]' fastapi uvicorn uvloop
    KAFKA=localhost:9092 uvicorn --app-dir examples/python web:app        (without KAFKA: the broker inside the process)
    curl -H 'Content-Type: application/json' -d '{"orderId": "ORD-1", "amount": 299.99}' localhost:8000/orders
    curl localhost:8000/bills/ORD-1
    curl localhost:8000/readyz

The system starts and shuts down with the application (its lifespan); each worker process has a system of its own.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import kca
import kca.asyncio
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, Field


class OrderCreated(BaseModel):
    """The payload; the class also gives the message its name, orderCreated."""

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
    """Bills an order, in a task of the loop that serves the requests."""
    billed[order.orderId] = order.amount


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs the consumer while the application runs; then finishes and commits the orders being handled."""
    async with system, system.consumer("billing", amount_of_processors=8).running():
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def create(order: OrderCreated) -> dict[str, int]:
    """Publishes an order, and answers when the broker has stored it."""
    try:
        receipt = await system.event_bus("order.events").publish(order, key=order.orderId)
    except kca.Error as e:
        raise HTTPException(503 if e.retriable else 500, str(e)) from e
    return {"partition": receipt.partition, "offset": receipt.offset}


@app.get("/bills/{order_id}")
async def bill_of(order_id: str) -> float:
    """Answers with the price of an order that has been billed."""
    if order_id not in billed:
        raise HTTPException(404)
    return billed[order_id]


@app.get("/livez")
async def live(response: Response) -> dict[str, Any]:
    """Answers 503 when something in this process hangs or has ended; that the broker is away is no reason."""
    health = system.health()
    response.status_code = 200 if health.live else 503
    return health.details


@app.get("/readyz")
async def ready(response: Response) -> dict[str, Any]:
    """Answers 503 while the broker is not there, the consumer has not joined its group, or something is stuck."""
    health = system.health()
    response.status_code = 200 if health.ready else 503
    return health.details
