"""Google's Gemini API: requests written down, answers read, schemas as Gemini takes them."""
