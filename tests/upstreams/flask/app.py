"""A small parts register, as a team writes it on a Friday: Jinja forms, flash messages, a JSON API.

It has no security of its own and knows nothing of Palisade. `GET /seen` tells how many
state-changing requests reached it, so that a test can show what did not.
"""

import os

from flask import Flask, flash, jsonify, redirect, render_template, request, url_for

app = Flask(__name__)
app.secret_key = os.urandom(16)  # flash messages live in Flask's own cookie

parts = [{"id": 1, "name": "Bracket", "stock": 12}]
seen = {"writes": 0}


@app.before_request
def count():
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        seen["writes"] += 1


@app.get("/")
def index():
    return render_template("index.html", parts=parts, user=request.headers.get("Remote-User"))


@app.post("/parts")
def add():
    name = request.form["name"].strip()
    parts.append({"id": len(parts) + 1, "name": name, "stock": int(request.form.get("stock") or 0)})
    flash(f"{name} was added.")
    return redirect(url_for("index"))


@app.get("/api/parts")
def api_list():
    return jsonify(parts=parts)


@app.post("/api/parts")
def api_add():
    body = request.get_json()
    parts.append({"id": len(parts) + 1, "name": body["name"], "stock": body.get("stock", 0)})
    return jsonify(parts[-1]), 201


@app.get("/whoami")
def whoami():
    """What the application is told of who is asking."""
    return jsonify({name: value for name, value in request.headers.items()})


@app.get("/seen")
def writes():
    return jsonify(seen)
