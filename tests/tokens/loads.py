"""How browsers load an address: what they tell of it themselves."""

NO_NAVIGATION = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"X-Moz": "prefetch"},
    *({"Sec-Fetch-Mode": mode} for mode in ("cors", "no-cors", "same-origin", "websocket")),
    *(
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": dest}
        for dest in ("empty", "image", "script", "style", "object", "embed", "frame", "worker")
    ),
    {"Sec-Fetch-Dest": "image"},
]
FRAMED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
