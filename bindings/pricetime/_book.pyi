from typing import Any, Final, SupportsIndex, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from pricetime.records import STP, TIF, Flag, OrderType, Parameter, Phase, Reason, Side, Status
from pricetime.result import Trade

CHECKED: Final[bool]
ORDERS_MAX: Final = 2147483647

@final
class Result:
    def __init__(self, *args: object, **kwargs: object) -> None: ...
    @property
    def status(self) -> Status: ...
    @property
    def order_id(self) -> int: ...
    @property
    def filled(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def reason(self) -> Reason | None: ...
    @property
    def trades(self) -> tuple[Trade, ...]: ...
    @property
    def events(self) -> npt.NDArray[np.void]: ...

def _result(data: bytes, order_id: int, begun: int) -> Result: ...

class Book:
    def __init__(
        self,
        *,
        max_orders: SupportsIndex = 2147483647,
        min_price: SupportsIndex | None = None,
        max_price: SupportsIndex | None = None,
        min_quantity: SupportsIndex = 1,
        max_quantity: SupportsIndex = 4611686018427387903,
        min_notional: SupportsIndex = 0,
        max_notional: SupportsIndex = 0,
        orders_per_account: SupportsIndex = 0,
        stp: STP | SupportsIndex = 5,
        matching: SupportsIndex = 1,
        top_order: SupportsIndex = 0,
        min_allocation: SupportsIndex = 1,
        collar: SupportsIndex = 0,
        static_band: SupportsIndex = 0,
        static_reference: SupportsIndex = 0,
        dynamic_band: SupportsIndex = 0,
        band_action: SupportsIndex = 1,
        auction_seconds: SupportsIndex = 300,
    ) -> None: ...
    def process(
        self,
        commands: npt.NDArray[np.void] | np.void,
        out: npt.NDArray[np.void] | None = None,
    ) -> npt.NDArray[np.void]: ...
    @property
    def pending(self) -> bool: ...
    def limit(
        self,
        side: Side | SupportsIndex,
        price: SupportsIndex,
        quantity: SupportsIndex,
        *,
        account: SupportsIndex = 0,
        tif: TIF | SupportsIndex = 1,
        stp: STP | SupportsIndex = 0,
        flags: Flag | SupportsIndex = 0,
        expires: SupportsIndex = 0,
        peak: SupportsIndex | None = None,
        minimum: SupportsIndex | None = None,
        oco: SupportsIndex | None = None,
        parent: SupportsIndex | None = None,
        order_id: SupportsIndex | None = None,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def market(
        self,
        side: Side | SupportsIndex,
        quantity: SupportsIndex,
        *,
        account: SupportsIndex = 0,
        tif: TIF | SupportsIndex = 3,
        stp: STP | SupportsIndex = 0,
        flags: Flag | SupportsIndex = 0,
        expires: SupportsIndex = 0,
        minimum: SupportsIndex | None = None,
        oco: SupportsIndex | None = None,
        parent: SupportsIndex | None = None,
        order_id: SupportsIndex | None = None,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def spend(
        self,
        side: Side | SupportsIndex,
        amount: SupportsIndex,
        *,
        account: SupportsIndex = 0,
        stp: STP | SupportsIndex = 0,
        flags: Flag | SupportsIndex = 0,
        oco: SupportsIndex | None = None,
        parent: SupportsIndex | None = None,
        order_id: SupportsIndex | None = None,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def stop(
        self,
        side: Side | SupportsIndex,
        trigger: SupportsIndex,
        quantity: SupportsIndex,
        *,
        price: SupportsIndex | None = None,
        account: SupportsIndex = 0,
        tif: TIF | SupportsIndex = 1,
        stp: STP | SupportsIndex = 0,
        flags: Flag | SupportsIndex = 0,
        expires: SupportsIndex = 0,
        peak: SupportsIndex | None = None,
        minimum: SupportsIndex | None = None,
        oco: SupportsIndex | None = None,
        parent: SupportsIndex | None = None,
        order_id: SupportsIndex | None = None,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def take_profit(
        self,
        side: Side | SupportsIndex,
        trigger: SupportsIndex,
        quantity: SupportsIndex,
        *,
        price: SupportsIndex | None = None,
        account: SupportsIndex = 0,
        tif: TIF | SupportsIndex = 1,
        stp: STP | SupportsIndex = 0,
        flags: Flag | SupportsIndex = 0,
        expires: SupportsIndex = 0,
        peak: SupportsIndex | None = None,
        minimum: SupportsIndex | None = None,
        oco: SupportsIndex | None = None,
        parent: SupportsIndex | None = None,
        order_id: SupportsIndex | None = None,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def trailing_stop(
        self,
        side: Side | SupportsIndex,
        offset: SupportsIndex,
        quantity: SupportsIndex,
        *,
        distance: SupportsIndex | None = None,
        account: SupportsIndex = 0,
        tif: TIF | SupportsIndex = 1,
        stp: STP | SupportsIndex = 0,
        flags: Flag | SupportsIndex = 0,
        expires: SupportsIndex = 0,
        peak: SupportsIndex | None = None,
        minimum: SupportsIndex | None = None,
        oco: SupportsIndex | None = None,
        parent: SupportsIndex | None = None,
        order_id: SupportsIndex | None = None,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def quote(
        self,
        account: SupportsIndex,
        bid: tuple[SupportsIndex, SupportsIndex] | None = None,
        ask: tuple[SupportsIndex, SupportsIndex] | None = None,
        *,
        order_id: SupportsIndex | None = None,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def cancel(
        self,
        order_id: SupportsIndex,
        *,
        account: SupportsIndex = 0,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def amend(
        self,
        order_id: SupportsIndex,
        *,
        price: SupportsIndex | None = None,
        quantity: SupportsIndex | None = None,
        trigger: SupportsIndex | None = None,
        account: SupportsIndex = 0,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def replace(
        self,
        order_id: SupportsIndex,
        side: Side | SupportsIndex | None = None,
        price: SupportsIndex | None = None,
        quantity: SupportsIndex | None = None,
        *,
        order_type: OrderType | SupportsIndex = 2,
        trigger: SupportsIndex = 0,
        new_id: SupportsIndex | None = None,
        account: SupportsIndex = 0,
        tif: TIF | SupportsIndex = 1,
        stp: STP | SupportsIndex = 0,
        flags: Flag | SupportsIndex = 0,
        expires: SupportsIndex = 0,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def mass_cancel(
        self,
        *,
        account: SupportsIndex = 0,
        side: Side | SupportsIndex = 0,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def arm(
        self, account: SupportsIndex, expires: SupportsIndex, *, timestamp: SupportsIndex = 0
    ) -> Result: ...
    def phase(
        self,
        phase: Phase | SupportsIndex,
        *,
        expires: SupportsIndex = 0,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    def uncross(
        self, phase: Phase | SupportsIndex = 3, *, timestamp: SupportsIndex = 0
    ) -> Result: ...
    def clock(self, timestamp: SupportsIndex) -> Result: ...
    def set(
        self,
        parameter: Parameter | SupportsIndex,
        value: SupportsIndex,
        *,
        timestamp: SupportsIndex = 0,
    ) -> Result: ...
    @property
    def best_bid(self) -> int | None: ...
    @property
    def best_ask(self) -> int | None: ...
    def bids(
        self, depth: SupportsIndex | None = None, *, hidden: bool = False
    ) -> npt.NDArray[np.void]: ...
    def asks(
        self, depth: SupportsIndex | None = None, *, hidden: bool = False
    ) -> npt.NDArray[np.void]: ...
    def order(self, order_id: SupportsIndex, *, hidden: bool = False) -> np.record | None: ...
    def orders(self, *, hidden: bool = False) -> npt.NDArray[np.void]: ...
    def waiting(self) -> npt.NDArray[np.void]: ...
    def sleeping(self) -> npt.NDArray[np.void]: ...
    def __len__(self) -> int: ...
    @property
    def current_phase(self) -> Phase: ...
    @property
    def parameters(self) -> dict[str, int]: ...
    @property
    def max_orders(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def due(self) -> int | None: ...
    @property
    def id_max(self) -> int: ...
    @property
    def last_price(self) -> int | None: ...
    @property
    def commands(self) -> int: ...
    @property
    def sequence(self) -> int: ...
    @property
    def trades(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def checkpoint(self) -> bytes: ...
    @classmethod
    def restore(cls, data: bytes | bytearray | memoryview) -> Self: ...
    def state_hash(self) -> str: ...
    def check(self) -> None: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Self: ...
